print("kernel tests: 0 run, 0 skipped")
