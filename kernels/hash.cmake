# cmake -DOUT=FILE -P hash.cmake: writes FILE, C text that defines kernel_sources_hash, a hash of all kernels and of the
# host code beside them.
file(GLOB files ${CMAKE_CURRENT_LIST_DIR}/*.c ${CMAKE_CURRENT_LIST_DIR}/*.h ${CMAKE_CURRENT_LIST_DIR}/cl/*.cl)
list(SORT files)
set(all "")
foreach(f IN LISTS files)
  file(SHA256 ${f} one)
  string(APPEND all ${one})
endforeach()
string(SHA256 hash "${all}")
string(SUBSTRING ${hash} 0 32 hash)
file(WRITE ${OUT} "#include \"kernels/kernel.h\"\nconst char kernel_sources_hash[] = \"${hash}\";\n")
