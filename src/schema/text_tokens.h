// The tokens of a protobuf text: names, strings, numbers and symbols.
#pragma once

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <string>

namespace crema {

// Splits a text as protobuf's own text reader does. Lines and columns count from 0.
class TextTokens {
 public:
  using Tokenizer = google::protobuf::io::Tokenizer;

  // `text` must live as long, and have less than 2 GiB.
  explicit TextTokens(const std::string& text)
      : input_(text.data(), static_cast<int>(text.size())), tokenizer_(&input_, &first_error_) {
    tokenizer_.set_allow_f_after_float(true);
    tokenizer_.set_comment_style(Tokenizer::SH_COMMENT_STYLE);
  }

  // TYPE_START before the first call of Next, TYPE_END after the last token. The address stays.
  const Tokenizer::Token& current() const { return current_; }
  // On to the next token.
  void Next() { tokenizer_.Next(); }

  // Whether a token was wrong in itself, such as a stray control character, and where the first
  // such mistake was.
  bool has_error() const { return first_error_.found; }
  int error_line() const { return first_error_.line; }      // of the first mistake
  int error_column() const { return first_error_.column; }  // of the first mistake

 private:
  struct FirstError : google::protobuf::io::ErrorCollector {
    void AddError(int its_line, int its_column, const std::string&) override {
      if (found) return;
      found = true;
      line = its_line;
      column = its_column;
    }
    bool found = false;
    int line = 0, column = 0;
  };

  FirstError first_error_;
  google::protobuf::io::ArrayInputStream input_;
  Tokenizer tokenizer_;
  const Tokenizer::Token& current_ = tokenizer_.current();  // always the same address
};

}  // namespace crema
