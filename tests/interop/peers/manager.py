"""Run a Manager of either package: PACKAGE, then the keyword arguments as JSON."""

import importlib
import json
import sys

run_forever = importlib.import_module(sys.argv[1] + ".manager").run_forever
run_forever(**json.loads(sys.argv[2]))
