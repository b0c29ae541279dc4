# SPDX-License-Identifier: Apache-2.0
"""Features in SQL, training in Python with scikit-learn, predictions read by SQL, over the flights of the demo: what a change
reruns is what depends on it, and nothing else."""
import os
import shutil
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python")]
from harness import Project, case, has, main, same

FEATURES = """
select row_number() over (order by day, carrier, flight, origin, sched) as id, month, hour, distance, carrier, origin, dep_delay > 15 as late
from (select f.*, f.hour * 100 as sched from silver.flights f where not cancelled and month <= 3)
"""
LATE = """
import shoal
from lib.encode import columns
from sklearn.ensemble import HistGradientBoostingClassifier

DEPTH = 4
ROUNDS = 20


@shoal.data_function("/ml/late_model")
def late_model():
    df = shoal.table("silver.features").df().sort_values("id")
    return HistGradientBoostingClassifier(max_depth=DEPTH, max_iter=ROUNDS, random_state=7).fit(columns(df), df["late"])


@shoal.data_function("/ml/late")
def late():
    model = shoal.load("/ml/late_model")
    df = shoal.table("silver.features").df().sort_values("id")
    return df[["id"]].assign(risk=model.predict_proba(columns(df))[:, 1])
"""
ENCODE = """
def columns(df):
    return df[["month", "hour", "distance"]].assign(carrier=df["carrier"].astype("category").cat.codes, origin=df["origin"].astype("category").cat.codes)
"""
QUALITY = """
/* shoal
expect:
  - "lift > 1.5"
*/
select count(*) as flights, avg(late::int) filter (where risk >= cut) / avg(late::int) as lift
from (select late, risk, quantile_cont(risk, 0.9) over () as cut from silver.features join ml.late using (id))
"""


@case
def a_changed_hyperparameter_trains_again_and_nothing_else():
    p = Project()
    try:
        # The demo is a project of its own; scikit-learn is found as any package is.
        subprocess.run([os.environ["SHOAL_BUILD"] + "/bin/shoal", "init", "flights", "--demo"], cwd=p.dir, env=p.env, check=True, capture_output=True)
        p.dir += "/flights"
        p.env.update(PYTHONPATH=os.pathsep.join([os.environ["SHOAL_BUILD"] + "/python", os.environ["SHOAL_SCIENCE"]]), PATH=os.path.dirname(sys.executable) + os.pathsep + p.env["PATH"])
        p.write({"models/silver/features.sql": FEATURES, "models/ml/late.py": LATE, "lib/encode.py": ENCODE, "lib/__init__.py": "", "models/gold/quality.sql": QUALITY})
        ours = ["gold.quality", "ml.late", "ml.late_model", "silver.features"]
        p.commit()
        refused = p.shoal("run", code=1).all  # an estimator can only be pickled
        has(refused, "ml.late_model", "trust")
        subprocess.run([sys.executable, "-c", "import shoal; shoal.set_store(trust=True)"], cwd=p.dir, env=p.env, check=True)
        p.shoal("run")
        same(p.to_run(), [])
        flights, lift = p.rows("select flights, lift from gold.quality")[0]
        assert int(flights) > 75000 and float(lift) > 1.5, (flights, lift)

        p.write({"models/ml/late.py": LATE.replace("DEPTH = 4", "DEPTH = 3  # shallower")})
        same(p.to_run(), ["gold.quality", "ml.late", "ml.late_model"])
        has(p.shoal("why", "ml.late_model").all, "DEPTH")
        p.shoal("run")
        same(p.to_run(), [])
        assert p.rows("select lift from gold.quality")[0][0] != lift

        p.write({"models/ml/late.py": LATE})  # back: nothing is computed
        same(p.to_run(), [])
        p.write({"models/ml/late.py": LATE.replace("ROUNDS = 20", "# the number of trees\nROUNDS = 20"), "lib/encode.py": "# of text\n" + ENCODE})
        same(p.to_run(), [])
        p.write({"lib/encode.py": ENCODE.replace('"hour", ', "")})
        same(p.to_run(), ["gold.quality", "ml.late", "ml.late_model"])
        p.write({"lib/encode.py": ENCODE, "models/gold/quality.sql": QUALITY.replace("0.9", "0.8")})
        same(p.to_run(), ["gold.quality"])
        p.write({"models/silver/features.sql": FEATURES.replace("<= 3", "<= 2")})
        same(p.to_run(), ours)
        p.shoal("run")
        same(p.to_run(), [])
    finally:
        shutil.rmtree(os.path.dirname(p.dir), ignore_errors=True)


main()
