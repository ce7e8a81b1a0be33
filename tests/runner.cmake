clipq_test(test_wire clipq_runner)
clipq_test(test_child clipq_runner)
clipq_test(test_walk clipq_runner)
clipq_test(test_submit clipq_runner)
