clipq_test(test_base clipq_base)
clipq_test(test_opt clipq_base)
