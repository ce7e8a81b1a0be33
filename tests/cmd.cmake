# Checks of the tree, then end-to-end tests with the built program: tests/NAME.sh PROGRAM. Those run alone: they look at
# speeds and wait for clocks.
function(clipq_script name)
  add_test(NAME ${name} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/${name}.sh ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 600 SKIP_RETURN_CODE 77)
  if(name MATCHES "^e2e")
    set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
  endif()
endfunction()

clipq_script(check_layers)
clipq_script(check_layers_catch)
clipq_script(check_headers ${CMAKE_C_COMPILER} -I${PROJECT_BINARY_DIR} -I${PROJECT_BINARY_DIR}/stages/infer/proto)
clipq_script(longest_functions)

if(TARGET clipq)
  clipq_test(test_cmd clipq_runner PkgConfig::JANSSON)
  target_sources(test_cmd PRIVATE ${PROJECT_SOURCE_DIR}/cmd/common.c ${PROJECT_SOURCE_DIR}/cmd/report_advice.c
                 ${PROJECT_SOURCE_DIR}/cmd/report_facts.c ${PROJECT_SOURCE_DIR}/cmd/score_rows.c)

  foreach(name e2e_usage e2e_split e2e_threads e2e_submit e2e_submit_many e2e_run e2e_kill e2e_faults e2e_memory e2e_oom e2e_cache e2e_answers e2e_files e2e_scene e2e_real_footage
          e2e_list e2e_changed e2e_cancel e2e_pause e2e_sandbox e2e_doctor e2e_bench e2e_bench_decode e2e_bench_e2e e2e_bench_queue
          e2e_environment e2e_engines e2e_tune e2e_score)
    clipq_script(${name} $<TARGET_FILE:clipq>)
  endforeach()
  # With engines that start fast; more rounds by hand: crash PROGRAM --rounds 1000.
  add_executable(crash crash.c crash_disturb.c crash_compare.c)
  target_link_libraries(crash PRIVATE clipq_base clipq_flags PkgConfig::SQLITE m)
  set(crash_flags_1 --rounds 25)
  set(crash_flags_2 --rounds 15 --cache)
  foreach(supervisors 1 2)
    add_test(NAME crash_${supervisors} COMMAND crash $<TARGET_FILE:clipq> --supervisors ${supervisors} ${crash_flags_${supervisors}}
             WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(crash_${supervisors} PROPERTIES TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT CLIPQ_CHAINS=0)
  endforeach()
  # Made clips, for those are long; each disturbance once.
  add_test(NAME crash_split COMMAND crash $<TARGET_FILE:clipq> --rounds 9 --supervisors 2 --split WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(crash_split PROPERTIES TIMEOUT 900 RUN_SERIAL TRUE ENVIRONMENT "CLIPQ_CHAINS=0;CLIPQ_DATA=/nonexistent")

  add_executable(model_make model_make.c)
  target_link_libraries(model_make PRIVATE clipq_base clipq_onnx_proto)
  clipq_script(e2e_sizes $<TARGET_FILE:clipq> $<TARGET_FILE:model_make>)
  clipq_script(e2e_models $<TARGET_FILE:clipq> ${PROJECT_BINARY_DIR}/stages/answer/scene.onnx)
endif()
