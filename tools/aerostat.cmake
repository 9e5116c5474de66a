# SPDX-License-Identifier: Apache-2.0
# Functions and flags of the build: one folder is one static library, one unit test links one component.

set(AERO_WARNINGS -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
    -Wmissing-prototypes -Wold-style-definition -Wpointer-arith -Wvla -Wwrite-strings -Wformat=2
    -Wundef -Wno-missing-field-initializers)
if(AEROSTAT_WERROR)
  list(APPEND AERO_WARNINGS -Werror)
endif()

set(AERO_HARDENING -fstack-protector-strong -fPIE -ftrivial-auto-var-init=zero -fno-common)
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_LESS 16)
  list(APPEND AERO_HARDENING
       -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang)
endif()
set(AERO_LINK_HARDENING -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)

# Assertions state facts about the host's own code; every build that runs tests has them.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")

add_library(aero_flags INTERFACE)
target_include_directories(aero_flags INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(aero_flags INTERFACE ${AERO_WARNINGS} ${AERO_HARDENING})
# Messages can name their place in the source: by its path in the repository, wherever that is built.
target_compile_options(aero_flags INTERFACE -fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=)
target_link_options(aero_flags INTERFACE ${AERO_LINK_HARDENING})
if(NOT AEROSTAT_SANITIZE STREQUAL "")
  target_compile_options(aero_flags INTERFACE -fsanitize=${AEROSTAT_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(aero_flags INTERFACE -fsanitize=${AEROSTAT_SANITIZE})
elseif(CMAKE_BUILD_TYPE MATCHES "Rel")
  # Needs optimisation to do anything, and hides overflows from the sanitizers.
  target_compile_options(aero_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(AEROSTAT_COVERAGE)
  target_compile_options(aero_flags INTERFACE --coverage)
  target_link_options(aero_flags INTERFACE --coverage)
endif()

# aero_component(NAME name SOURCES a.c ... [DEPENDS component ...] [LIBS pkg-config imported target ...])
# Declares static library aero_<name>. DEPENDS is the whole list of components it may call.
function(aero_component)
  cmake_parse_arguments(C "" "NAME" "SOURCES;DEPENDS;LIBS" ${ARGN})
  add_library(aero_${C_NAME} STATIC ${C_SOURCES})
  target_compile_definitions(aero_${C_NAME} PRIVATE _GNU_SOURCE)
  target_link_libraries(aero_${C_NAME} PUBLIC aero_flags)
  foreach(dep ${C_DEPENDS})
    target_link_libraries(aero_${C_NAME} PUBLIC aero_${dep})
  endforeach()
  if(C_LIBS)
    target_link_libraries(aero_${C_NAME} PRIVATE ${C_LIBS})
  endif()
endfunction()

# aero_unit_test(COMPONENT name SOURCES test_a.c ... [SUPPORT support library ...])
# Builds test_<name> against that component and what it declares, nothing else: an undeclared call does not link.
function(aero_unit_test)
  cmake_parse_arguments(T "" "COMPONENT" "SOURCES;SUPPORT" ${ARGN})
  if(NOT AEROSTAT_TESTS)
    return()
  endif()
  add_executable(test_${T_COMPONENT} ${T_SOURCES})
  target_compile_definitions(test_${T_COMPONENT} PRIVATE _GNU_SOURCE)
  target_link_libraries(test_${T_COMPONENT} PRIVATE ${T_SUPPORT} aero_${T_COMPONENT} PkgConfig::CHECK)
  add_test(NAME unit.${T_COMPONENT} COMMAND test_${T_COMPONENT})
  set_tests_properties(unit.${T_COMPONENT} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# aero_fuzz_target(NAME name SOURCES fuzz_a.c ... COMPONENTS component ... [SUPPORT support library ...])
# With AEROSTAT_FUZZ a libFuzzer binary; otherwise the same code replays its corpus under CTest.
function(aero_fuzz_target)
  cmake_parse_arguments(F "" "NAME" "SOURCES;COMPONENTS;SUPPORT" ${ARGN})
  if(NOT AEROSTAT_TESTS)
    return()
  endif()
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${F_NAME})
  list(TRANSFORM F_COMPONENTS PREPEND aero_)
  add_executable(fuzz_${F_NAME} ${F_SOURCES})
  target_compile_definitions(fuzz_${F_NAME} PRIVATE _GNU_SOURCE)
  target_link_libraries(fuzz_${F_NAME} PRIVATE ${F_SUPPORT} ${F_COMPONENTS})
  if(AEROSTAT_FUZZ)
    target_link_options(fuzz_${F_NAME} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${F_NAME} PRIVATE ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.c)
  endif()
  set(once)
  if(AEROSTAT_FUZZ)
    set(once -runs=0)
  endif()
  add_test(NAME fuzz.${F_NAME} COMMAND fuzz_${F_NAME} ${once} ${corpus})
  set_tests_properties(fuzz.${F_NAME} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
