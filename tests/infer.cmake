clipq_test(test_golden clipq_infer)
