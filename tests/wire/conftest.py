"""The same examples on each run: a property that fails here fails everywhere."""

import os

from hypothesis import HealthCheck, settings
from hypothesis.configuration import set_hypothesis_home_dir

# what it keeps goes where everything else of the tests goes
set_hypothesis_home_dir(os.path.join(os.environ["MSL_NETWORK_HOME"], "hypothesis"))
settings.register_profile(
    "fixed",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    max_examples=300,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("fixed")
