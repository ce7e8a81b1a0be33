clipq_test(test_wire clipq_runner)
clipq_test(test_child clipq_runner)
