clipq_test(test_answer clipq_answer)
clipq_test(test_nms clipq_answer)
clipq_test(test_card clipq_answer)
target_link_libraries(test_card PRIVATE PkgConfig::JANSSON)
clipq_test(test_decoders clipq_answer)
clipq_test(test_decoders_final clipq_answer)
clipq_test(test_answer_golden clipq_answer)
clipq_test(test_image clipq_answer)
clipq_test(test_answer_nomem clipq_answer)
target_link_options(test_answer_nomem PRIVATE -Wl,--wrap=malloc,--wrap=realloc,--wrap=strndup)

# The engine's side of families.py: not a test by itself.
add_executable(infer_npy infer_npy.c)
target_link_libraries(infer_npy PRIVATE clipq_answer clipq_flags)
