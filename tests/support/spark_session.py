# SPDX-License-Identifier: Apache-2.0
"""One JVM with Spark and Delta for every suite in this folder, which takes the folder of Delta's jars as its first argument; and
delta-rs, polars and DuckDB beside it, from the environment that other tests use."""
import glob
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
DEPS = os.environ.get("SHOAL_DEPS", os.path.join(HERE, "../../.deps"))
sys.path[:0] = [os.path.join(HERE, "../support")]
sys.path += glob.glob(os.path.join(DEPS, "python/lib/python3*/site-packages"))
from pyspark.sql import SparkSession  # noqa: E402


def _start(jars):
    delta = ",".join(j for j in glob.glob(jars + "/*.jar") if "/delta-" in j or "/unitycatalog-" in j)
    return (SparkSession.builder.master("local[1]").config("spark.jars", delta).config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "1")
            .config("spark.sql.session.timeZone", "UTC").config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog").getOrCreate())


spark = _start(sys.argv.pop(1))
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
