#include "man_pages.h"

#include <filesystem>
#include <sstream>
#include <vector>

#include "commands/command.h"
#include "flag_description.h"
#include "schema/binary_io.h"
#include "wrap.h"

namespace crema {
namespace {

// With roff's own names for what it would take for a command, or print as a typographic character.
std::string Escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '`': out += "\\(ga"; break;
      case '"': out += "\\(dq"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  return out;
}

// Lines that roff fills. One that begins with a dot is no command.
std::string Filled(const std::string& text) {
  constexpr size_t kWidth = 78;
  std::istringstream lines(Wrap(Escape(text), 0, kWidth));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += (!line.empty() && line[0] == '.' ? "\\&" : "") + line + "\n";
  }
  return out;
}

bool IsIndented(const std::string& line) { return !line.empty() && line[0] == ' '; }

std::string WithoutIndent(const std::string& line) {
  const size_t first = line.find_first_not_of(' ');
  return first == std::string::npos ? "" : line.substr(first);
}

// The details of a command: paragraphs with blank lines between them. A line that is followed by
// indented ones is a term, which they explain.
std::string Paragraphs(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::string out;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    if (IsIndented(lines[i])) {
      out += Filled(WithoutIndent(lines[i]));
    } else if (i + 1 < lines.size() && IsIndented(lines[i + 1])) {
      out += ".TP\n.B " + Escape(lines[i]) + "\n";
    } else {
      out += (out.empty() ? "" : ".PP\n") + Filled(lines[i]);
    }
  }
  return out;
}

std::string PageOf(const std::string& command) { return "crema-" + command; }

std::string Upper(std::string text) {
  for (char& c : text) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return text;
}

std::string AsSentence(const std::string& summary) {
  return Upper(summary.substr(0, 1)) + summary.substr(1) + ".";
}

// Without a date, so that equal programs have equal pages.
std::string Head(const std::string& page, const std::string& summary) {
  return ".TH " + Upper(Escape(page)) + " 1 \"\" \"crema " + Version() +
         "\" \"crema manual\"\n.SH NAME\n" + Escape(page) + " \\- " + Escape(summary) + "\n";
}

std::string Option(const FlagDescription& flag) {
  const std::string value = ValuePlaceholder(flag);
  return ".TP\n\\fB\\-\\-" + Escape(flag.name) + "\\fR" +
         (value.empty() ? "" : "=\\fI" + Escape(value) + "\\fR") + "\n" + Filled(flag.meaning);
}

std::string CommandPage(const Command& command) {
  std::string out = Head(PageOf(command.name), command.summary);
  out += std::string(".SH SYNOPSIS\n.B crema ") + Escape(command.name) + "\n";
  out += Filled(command.arguments);
  out += ".SH DESCRIPTION\n";
  const std::string details = command.details;
  out += details.empty() ? Filled(AsSentence(command.summary)) : Paragraphs(details);
  out += ".PP\n" + Filled("The log goes to standard error; --minloglevel=1 limits it to warnings.");
  if (!command.flags.empty()) out += ".SH OPTIONS\n";
  for (const std::string& name : command.flags) out += Option(DescribeFlag(name));
  return out + ".SH SEE ALSO\n.BR crema (1)\n";
}

std::string ProgramPage() {
  std::string out = Head("crema", "train and run convolutional networks");
  out += ".SH SYNOPSIS\n.B crema\n.I COMMAND\n[options]\n.SH DESCRIPTION\n";
  out += Filled(std::string(kPurpose) + " Each command has a page of its own.");
  out += ".SH COMMANDS\n";
  for (const Command& command : Commands()) {
    out += ".TP\n.BR " + Escape(PageOf(command.name)) + " (1)\n" + Filled(command.summary);
  }
  out += ".TP\n.B crema help\n.RI [ NAME ]\n" + Filled(kHelpSummary);
  out += ".SH EXIT STATUS\n";
  out += ".TP\n.B 0\nThe command has done its work.\n";
  out += ".TP\n.B 1\n" + Filled("An error, which standard error tells in one sentence.");
  out += ".TP\n.B 2\nThe command line is wrong.\n";
  out += ".SH SEE ALSO\n";
  const std::vector<Command>& commands = Commands();
  for (size_t i = 0; i < commands.size(); ++i) {
    out += ".BR " + Escape(PageOf(commands[i].name)) +
           (i + 1 == commands.size() ? " (1)\n" : " (1),\n");
  }
  return out;
}

}  // namespace

void WriteManPages(const std::string& folder) {
  const std::filesystem::path path = folder;
  WriteFileOrStream((path / "crema.1").string(), ProgramPage());
  for (const Command& command : Commands()) {
    WriteFileOrStream((path / (PageOf(command.name) + ".1")).string(), CommandPage(command));
  }
}

}  // namespace crema
