"""How to take what Tagger leaves out until an extra is installed."""

import shlex
import sys

TAKE_HEIC = f"{shlex.quote(sys.executable)} -m pip install pillow-heif, then tagger retry --all"
