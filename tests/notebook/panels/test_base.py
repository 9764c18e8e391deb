"""What all panels share."""

import subprocess
import sys


def test_a_process_with_a_panel_ends():
    code = "from msl_network.notebook import ConnectPanel; panel = ConnectPanel()"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
