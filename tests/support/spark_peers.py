# SPDX-License-Identifier: Apache-2.0
"""Spark and Delta in a JVM, from the folder of Delta's jars that is the first argument, and delta-rs, polars and DuckDB beside them, from the
environment that other tests use."""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DEPS = os.environ.get("SHOAL_DEPS", os.path.join(HERE, "../../.deps"))
sys.path += glob.glob(os.path.join(DEPS, "python/lib/python3*/site-packages"))
from spark_session import start  # noqa: E402

spark = start(sys.argv.pop(1))
spark.sparkContext.setLogLevel("OFF")


def seen(path, query="select * from t"):
    """Rows of a query over a table, as texts."""
    spark.read.format("delta").load(path).createOrReplaceTempView("t")
    return [[str(v) for v in row] for row in spark.sql(query).collect()]


def refused_by_spark(sql):
    """What Spark says that does not do it."""
    try:
        spark.sql(sql).collect()
    except Exception as e:  # noqa: BLE001, what kind it is differs
        return str(e)
    raise AssertionError(f"Spark did it: {sql}")
