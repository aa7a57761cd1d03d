"""Layer 8: the command line, ``genmlx demo | doctor``."""
