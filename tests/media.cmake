# Media tests make their own clips; those named *_data take real ones and skip where there are none.
add_library(clipq_test_media STATIC media_make.c)
target_link_libraries(clipq_test_media PUBLIC clipq_media PkgConfig::AV PkgConfig::CMOCKA)

foreach(name clip clip_data fingerprint probe sample scale skip)
  clipq_test(test_${name} clipq_test_media)
endforeach()
clipq_test(test_png clipq_test_media clipq_png)
clipq_test(test_geometry clipq_geometry)
target_link_libraries(test_geometry PRIVATE m)
clipq_test(test_bilinear clipq_media)
clipq_test(test_yuv_linear clipq_media)
target_link_libraries(test_yuv_linear PRIVATE m)
target_link_libraries(test_skip PRIVATE PkgConfig::XXHASH)
