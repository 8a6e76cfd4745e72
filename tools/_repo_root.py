"""Puts the checkout's root on the import path; a script in this folder imports it first, to find `sound_eval`."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
