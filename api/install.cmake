# SPDX-License-Identifier: Apache-2.0
# libadze.so: the programming interface as one library, and what `cmake --install` gives to those who build against it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(GLOB api_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/api/*.c)
add_library(adze_shared SHARED ${api_sources})
set_target_properties(adze_shared PROPERTIES OUTPUT_NAME adze EXPORT_NAME adze VERSION ${PROJECT_VERSION} SOVERSION 0)
target_link_libraries(adze_shared PRIVATE adze_frontend adze_codegen adze_passes adze_ir adze_runtime Threads::Threads)
target_link_options(adze_shared PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
target_include_directories(adze_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

install(TARGETS adze_shared EXPORT adze-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(TARGETS mlxc LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/adze DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT adze-targets NAMESPACE adze:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/adze)
configure_file(${CMAKE_SOURCE_DIR}/api/adze.pc.in ${CMAKE_BINARY_DIR}/adze.pc @ONLY)
configure_file(${CMAKE_SOURCE_DIR}/api/adze-config.cmake.in ${CMAKE_BINARY_DIR}/adze-config.cmake @ONLY)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/adze-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/adze.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${CMAKE_BINARY_DIR}/adze-config.cmake ${CMAKE_BINARY_DIR}/adze-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/adze)
