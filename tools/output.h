// What the tool writes to standard output and error, and how it ends if it cannot.
#pragma once

#include <string>
#include <string_view>

namespace crema {

// Called first. From then on std::cout and `stderr`, the log's stream, escape the control
// characters that names from files may hold (see base/printable.h), and the end of a pipe's reader
// is an error of a write, not a signal that ends the program.
void SetUpOutput();

// One line on standard error, "crema: ..."; messages of libraries may have several. The middle of a
// message that quotes endless text from a file is left out.
void PrintError(std::string message);

// Called last, with the exit status so far; returns the one to exit with. If a command has
// succeeded but its output could not be written, that is an error. If nobody reads it any more, as
// in `crema help | head`, the program ends like any other there: at once, by SIGPIPE.
int FinishOutput(int status);

// What a program has written to a terminal in one piece, without what could do harm there. A change
// of colour alone, as the log makes it, stays.
std::string ShownText(std::string_view text);

}  // namespace crema
