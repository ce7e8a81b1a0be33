clipq_test(check_kernels clipq_kernels)
target_sources(check_kernels PRIVATE
  check_kernels_conv.c)
target_link_libraries(check_kernels PRIVATE m)
