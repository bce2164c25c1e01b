# zigalloc @VERSION@ for CMake:
#
#     find_package(zigalloc @COMPATIBLE@ REQUIRED)
#     target_link_libraries(program PRIVATE zigalloc::zigalloc)
#
#   zigalloc::zigalloc         the shared library
#   zigalloc::zigalloc_static  the archive, and the system's libraries that it needs
#
# One whose file is not there is not defined.

get_filename_component(_zigalloc_lib "${CMAKE_CURRENT_LIST_DIR}/@LIB@" ABSOLUTE)
get_filename_component(_zigalloc_include "${CMAKE_CURRENT_LIST_DIR}/@INCLUDE@" ABSOLUTE)

if(NOT TARGET zigalloc::zigalloc AND EXISTS "${_zigalloc_lib}/@SHARED@")
  add_library(zigalloc::zigalloc SHARED IMPORTED)
  set_target_properties(zigalloc::zigalloc PROPERTIES
    IMPORTED_LOCATION "${_zigalloc_lib}/@SHARED@"
    IMPORTED_SONAME "@SONAME@"
    INTERFACE_INCLUDE_DIRECTORIES "${_zigalloc_include}")
endif()

if(NOT TARGET zigalloc::zigalloc_static AND EXISTS "${_zigalloc_lib}/@ARCHIVE@")
  add_library(zigalloc::zigalloc_static STATIC IMPORTED)
  set_target_properties(zigalloc::zigalloc_static PROPERTIES
    IMPORTED_LOCATION "${_zigalloc_lib}/@ARCHIVE@"
    IMPORTED_LINK_INTERFACE_LANGUAGES "C"
    INTERFACE_INCLUDE_DIRECTORIES "${_zigalloc_include}"
    INTERFACE_LINK_LIBRARIES "@SYSTEM_LIBRARIES@")
endif()

unset(_zigalloc_lib)
unset(_zigalloc_include)
