"""Puts the checkout's root on the import path; a script here imports it before all else.

So `sound_eval` is found, and Ctrl-C is one line while the other modules load.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import sound_eval.interrupts  # noqa: F401
