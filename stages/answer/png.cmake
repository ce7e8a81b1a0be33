# Parts of the answer layer that stand on their own: the PNG writer (libavcodec only) and the geometry (nothing at
# all), which the scaler in stages/media needs too. Included by whoever comes first.
include_guard(GLOBAL)

add_library(clipq_png STATIC ${CMAKE_CURRENT_LIST_DIR}/png.c)
target_link_libraries(clipq_png PUBLIC clipq_base PRIVATE PkgConfig::AV)

add_library(clipq_geometry STATIC ${CMAKE_CURRENT_LIST_DIR}/geometry.c)
target_link_libraries(clipq_geometry PUBLIC clipq_flags)
