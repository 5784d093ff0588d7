.PHONY: bench
bench: tools ## how long 4, 16 and 64 workers take, beside OpenTofu; servers boot nothing
	$(PYTHON) -m benchmarks.build
	sandbox/cloud up
	status=0; sandbox/cloud run $(PYTHON) -m benchmarks.scale || status=$$?; sandbox/cloud down; exit $$status
