// What a plug-in says of itself. A plug-in is a shared library with layers that is built outside of
// crema's tree, by crema_add_plugin of crema's CMake package. One of its files has, outside of
// functions,
//
//   CREMA_PLUGIN("my_layers");
//
// with a name that no other plug-in has. Its layers register themselves as ours do; see
// docs/adding_a_layer.md. Constructors of its globals run while it is loaded, and must not throw.
#pragma once

namespace crema {

// Lies in the section .crema_plugin of the file, where it is read before any code of the plug-in
// runs. This layout never changes.
struct PluginMark {
  char magic[32];      // kPluginMagic
  char interface[96];  // the crema that it was built for
  char name[128];
};
inline constexpr char kPluginMagic[] = "crema plug-in";

}  // namespace crema

// The text of a macro's value, with its quotes; the macro's name where it is not defined.
#define CREMA_TEXT_OF_VALUE(value) #value
#define CREMA_TEXT_OF_MACRO(macro) CREMA_TEXT_OF_VALUE(macro)

// CREMA_PLUGIN_INTERFACE comes from crema_add_plugin. A name of 128 letters or more is an error of
// the compiler.
#define CREMA_PLUGIN(name)                                                                         \
  static_assert(CREMA_TEXT_OF_MACRO(CREMA_PLUGIN_INTERFACE)[0] == '"',                             \
                "build this file with crema_add_plugin of crema's CMake package, which says for "  \
                "which crema it is");                                                              \
  __attribute__((used,                                                                             \
                 section(".crema_plugin"))) static const ::crema::PluginMark crema_plugin_mark = { \
      "crema plug-in", CREMA_PLUGIN_INTERFACE, name}
