// Several observers told as one.
#include "net/run/observer_list.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "crema/error.h"

namespace crema::test {
namespace {

// Writes down what it is told.
class Recorder : public PassObserver {
 public:
  Recorder(std::string name, std::string* text) : name_(std::move(name)), text_(*text) {}
  void BeginForward() override { Add("begin"); }
  void BeforeForward(int layer, int lane) override { Add(Concat("to ", layer, "/", lane)); }
  void AfterForward(int layer, int lane) override { Add(Concat("from ", layer, "/", lane)); }
  void BeforeBackward(int layer) override { Add(Concat("back to ", layer)); }
  void AfterBackward(int layer) override { Add(Concat("back from ", layer)); }
  void EndBackward() override { Add("end"); }

 private:
  void Add(const std::string& what) { text_ += name_ + " " + what + "; "; }
  std::string name_;
  std::string& text_;
};

TEST(ObserverListTest, TellsAllInTheirOrder) {
  std::string text;
  Recorder a("a", &text), b("b", &text);
  ObserverList list;
  list.Add(&a);
  list.Add(nullptr);
  list.Add(&b);
  list.BeginForward();
  list.BeforeForward(3, 1);
  list.AfterForward(3, 1);
  list.BeforeBackward(3);
  list.AfterBackward(3);
  list.EndBackward();
  EXPECT_EQ(text,
            "a begin; b begin; a to 3/1; b to 3/1; a from 3/1; b from 3/1; "
            "a back to 3; b back to 3; a back from 3; b back from 3; a end; b end; ");
}

TEST(ObserverListTest, MayBeEmpty) {
  ObserverList list;
  list.Add(nullptr);
  list.BeginForward();
  list.AfterForward(0, 0);
}

}  // namespace
}  // namespace crema::test
