# How a room of the house is built: one static library per folder, warnings as errors, one test program per folder.

add_library(isotube_options INTERFACE)
target_compile_options(isotube_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-omit-frame-pointer
  # Designated initialisers name what differs from the default and leave the rest out: that is their point.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 warns of an overlap inside std::string's own operator+ (GCC bug 105651).
  target_compile_options(isotube_options INTERFACE -Wno-restrict)
endif()
target_include_directories(isotube_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

set(ISOTUBE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
if(ISOTUBE_SANITIZE)
  add_compile_options(-fsanitize=${ISOTUBE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ISOTUBE_SANITIZE})
endif()

# Adds the subfolders of `base` that exist yet, in the order given.
macro(isotube_rooms base)
  foreach(room ${ARGN})
    if(EXISTS ${CMAKE_SOURCE_DIR}/${base}/${room}/CMakeLists.txt)
      add_subdirectory(${base}/${room})
    endif()
  endforeach()
endmacro()

# isotube_library(NAME [USES room…] [LINKS library…]): all sources of this folder as libisotube_NAME.
# USES names the rooms below that it may use; the linker refuses any other.
function(isotube_library name)
  cmake_parse_arguments(ARG "" "" "USES;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_library(isotube_${name} STATIC ${sources})
  add_library(isotube::${name} ALIAS isotube_${name})
  target_link_libraries(isotube_${name} PRIVATE isotube_options)
  target_include_directories(isotube_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  foreach(room ${ARG_USES})
    target_link_libraries(isotube_${name} PUBLIC isotube_${room})
  endforeach()
  target_link_libraries(isotube_${name} PUBLIC ${ARG_LINKS})
endfunction()

# isotube_test(NAME [USES room…] [LINKS library…]): all *_test.cpp of this folder as one GoogleTest program.
function(isotube_test name)
  cmake_parse_arguments(ARG "" "" "USES;LINKS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE isotube_options GTest::gtest_main GTest::gmock ${ARG_LINKS})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  foreach(room ${ARG_USES})
    target_link_libraries(${name} PRIVATE isotube_${room})
  endforeach()
  add_test(NAME ${name} COMMAND ${name})
endfunction()
