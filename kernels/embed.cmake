# clipq_embed(TARGET SYMBOL FILE): links FILE's bytes into TARGET as
#   extern const unsigned char SYMBOL[]; extern const unsigned long SYMBOL_size;
# through the assembler's .incbin, so that large files cost no compile time.
function(clipq_embed target symbol file)
  get_filename_component(file ${file} ABSOLUTE)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
  file(WRITE ${source}.in
"__asm__(\".section .rodata\\n.balign 64\\n.global ${symbol}\\n${symbol}:\\n.incbin \\\"${file}\\\"\\n\"
        \"1:\\n.byte 0\\n.balign 8\\n.global ${symbol}_size\\n${symbol}_size:\\n.quad 1b - ${symbol}\\n.text\\n\");
typedef int ${symbol}_is_not_an_empty_unit;
")
  configure_file(${source}.in ${source} COPYONLY)
  set_property(SOURCE ${source} PROPERTY OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()
