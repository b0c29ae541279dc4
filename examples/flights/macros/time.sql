-- The scheduled departure 517 means 05:17.
CREATE MACRO clock_hour(hhmm) AS (hhmm // 100) % 24;
CREATE MACRO is_late(delay) AS delay > getvariable('late_minutes');
