"""The command `msl-network`, as `python -m msl_network`."""

from .cli import main

if __name__ == "__main__":
    main()
