"""What runs Perpetua elsewhere than on one machine is made of the table of workers: `files.py` lists all of it."""
