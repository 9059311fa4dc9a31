"""How to take what Tagger leaves out until an extra is installed."""

import shlex
import sys

_INSTALL = f"{shlex.quote(sys.executable)} -m pip install"
TAKE_HEIC = f"{_INSTALL} pillow-heif, then tagger retry --all"
TAKE_TEACH = f"{_INSTALL} scikit-learn, which is all of Tagger's extra 'teach'"
