"""What runs are made of: functions of the tensors they are handed, found by name through bench.registry."""
