.PHONY: bench
bench: tools ## how long 4, 16 and 64 workers take, beside OpenTofu; hosts boot nothing
	$(PYTHON) -m benchmarks.build
	sandbox/cloud up --hosts none
	status=0; sandbox/cloud run $(PYTHON) -m benchmarks.scale || status=$$?; sandbox/cloud down; exit $$status
