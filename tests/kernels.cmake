clipq_test(check_kernels clipq_kernels)
target_sources(check_kernels PRIVATE
  check_kernels_conv.c
  check_kernels_elementwise.c
  check_kernels_image.c
  check_kernels_gemm.c
  check_kernels_move.c)
target_link_libraries(check_kernels PRIVATE m)
