# How every target of the project is compiled, and the one way a folder becomes a target.
add_library(runner_flags INTERFACE)
target_include_directories(runner_flags INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/generated)
target_compile_definitions(runner_flags INTERFACE _GNU_SOURCE)
# -ffp-contract=off: a fused multiply-add happens where the source says fmaf and nowhere else (docs/math.md).
target_compile_options(runner_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual
  -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wno-gnu-zero-variadic-macro-arguments -Werror
  -ffp-contract=off -fno-math-errno -fno-omit-frame-pointer)
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(runner_flags INTERFACE -O2)
endif()
if(RUNNER_SANITIZE)
  target_compile_options(runner_flags INTERFACE -fsanitize=${RUNNER_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(runner_flags INTERFACE -fsanitize=${RUNNER_SANITIZE})
endif()
if(RUNNER_COVERAGE)
  target_compile_options(runner_flags INTERFACE --coverage)
  target_link_options(runner_flags INTERFACE --coverage)
endif()

# runner_library(NAME DEPENDENCY...): all the .c files of this folder as the static library runner_NAME.
function(runner_library name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  if(sources)
    add_library(runner_${name} STATIC ${sources})
    target_link_libraries(runner_${name} PUBLIC runner_flags ${ARGN})
  else()
    add_library(runner_${name} INTERFACE)
    target_link_libraries(runner_${name} INTERFACE runner_flags ${ARGN})
  endif()
endfunction()
