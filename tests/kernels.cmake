clipq_test(check_kernels clipq_kernels)
target_sources(check_kernels PRIVATE
  check_run.c
  check_values.c
  check_kernels_conv.c
  check_kernels_elementwise.c
  check_kernels_image.c
  check_kernels_integer.c
  check_kernels_gemm.c
  check_kernels_rows.c
  check_kernels_sample.c
  check_kernels_move.c
  check_kernels_numbers.c
  check_shapes.c)
target_link_libraries(check_kernels PRIVATE m)
clipq_test(test_device clipq_kernels)
clipq_test(test_program_store clipq_kernels)
clipq_test(test_no_device clipq_kernels)
# The other two widths of vectors, which no device here may have natively.
foreach(width 4 16)
  add_test(NAME check_kernels_width_${width} COMMAND check_kernels --width ${width} --cases 64
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(check_kernels_width_${width} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
endforeach()
# As they are launched on a GPU.
add_test(NAME check_kernels_simt COMMAND check_kernels --as gpu --width 4 --cases 128 WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(check_kernels_simt PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77 ENVIRONMENT CLIPQ_MMA=emulate)
# Every read and write of the kernels within bounds, seen by a simulator. A sanitizer's allocator and the simulator's do
# not go together.
if(NOT CLIPQ_SANITIZE)
  add_test(NAME check_oclgrind COMMAND ${CMAKE_CURRENT_LIST_DIR}/check_oclgrind.sh $<TARGET_FILE:check_kernels>
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(check_oclgrind PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
endif()

clipq_test(test_reference clipq_kernels)
target_link_libraries(test_reference PRIVATE m)
clipq_test(test_reference_image clipq_kernels)
target_link_libraries(test_reference_image PRIVATE m)
clipq_test(test_reference_index clipq_kernels)
target_link_libraries(test_reference_index PRIVATE m)
clipq_test(test_kernel clipq_kernels)
clipq_test(test_chain clipq_kernels)
clipq_test(test_kernel_data clipq_kernels)
