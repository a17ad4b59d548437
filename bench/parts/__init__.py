"""The parts of a run: functions that bench.registry finds by their names in conf/."""
