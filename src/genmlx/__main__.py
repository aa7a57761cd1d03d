"""``python -m genmlx`` is ``genmlx``."""

import sys

from genmlx.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
