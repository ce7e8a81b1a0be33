clipq_test(check_kernels clipq_kernels)
target_sources(check_kernels PRIVATE
  check_kernels_conv.c
  check_kernels_elementwise.c
  check_kernels_image.c
  check_kernels_gemm.c
  check_kernels_rows.c
  check_kernels_move.c)
target_link_libraries(check_kernels PRIVATE m)
clipq_test(test_device clipq_kernels)
clipq_test(test_no_device clipq_kernels)
