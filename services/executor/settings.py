"""Settings of the executor. Live venues come later: no setting here can switch one on."""

from libs.runtime.settings import MongoSettings, RuntimeSettings


class Settings(RuntimeSettings, MongoSettings):
    """Nothing of its own yet: leases and checkpoints have fixed times, the paper venue is configured in KV."""
