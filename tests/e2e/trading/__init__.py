"""Tests over one run that trades. It is a package, so that its run ends with it (pytest's scope `package`)."""
