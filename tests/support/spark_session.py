# SPDX-License-Identifier: Apache-2.0
"""The one Spark session of the cases that need it."""
import glob


def start(jars):
    from pyspark.sql import SparkSession
    delta = ",".join(j for j in glob.glob(jars + "/*.jar") if "/delta-" in j or "/unitycatalog-" in j)
    return (SparkSession.builder.master("local[1]").config("spark.jars", delta).config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "1")
            .config("spark.sql.session.timeZone", "UTC").config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog").getOrCreate())
