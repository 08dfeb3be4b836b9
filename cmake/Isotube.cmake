# How a room of the house is built: one static library per folder, warnings as errors, one test program per folder.

add_library(isotube_options INTERFACE)
target_compile_options(isotube_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-omit-frame-pointer
  # Designated initialisers name what differs from the default and leave the rest out: that is their point.
  -Wno-missing-field-initializers)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # What g++ 12's optimiser sees in its own library and is not there: overlaps and bounds inside std::string (GCC bugs
  # 105651, 105329), uninitialised alternatives of a std::variant (105562), coroutine frames deleted by the wrong
  # function (109224). clang's warnings and the sanitizers look for the real ones.
  target_compile_options(isotube_options INTERFACE -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow
    -Wno-stringop-overread -Wno-maybe-uninitialized -Wno-mismatched-new-delete)
endif()
target_include_directories(isotube_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)

set(ISOTUBE_SANITIZE "" CACHE STRING "Sanitizers, as -fsanitize= takes them")
if(ISOTUBE_SANITIZE)
  add_compile_options(-fsanitize=${ISOTUBE_SANITIZE} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ISOTUBE_SANITIZE})
endif()

if(ISOTUBE_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ISOTUBE_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++-19")
  endif()
  # Every library tells libFuzzer where an input leads; only the fuzz targets link its main().
  add_compile_options(-fsanitize=fuzzer-no-link -O1 -g)
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

# isotube_fuzzer(SOURCE): one source file as one libFuzzer program. Its first line names the rooms that it links:
# `// USES room…`. All of them are built by the target `fuzzers`.
function(isotube_fuzzer source)
  get_filename_component(name ${source} NAME_WE)
  file(STRINGS ${source} first_line LIMIT_COUNT 1)
  if(NOT first_line MATCHES "^// USES (.+)$")
    message(FATAL_ERROR "${source}: the first line must be `// USES room…`")
  endif()
  string(REPLACE " " ";" rooms "${CMAKE_MATCH_1}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE isotube_options)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  foreach(room ${rooms})
    target_link_libraries(${name} PRIVATE isotube_${room})
  endforeach()
  add_dependencies(fuzzers ${name})
endfunction()
