#include "crema/predictor.h"

#include <utility>

#include "crema/error.h"
#include "predict/predictor_state.h"

namespace crema {
namespace {

void CheckCount(const std::string& input, const std::vector<float>& values, const Shape& shape) {
  if (static_cast<int64_t>(values.size()) == shape.count()) return;
  Fail("the input '", input, "' of shape ", shape.ToString(), " was given ", values.size(),
       " values; give it exactly ", shape.count(), ", or another shape");
}

}  // namespace

const std::string& InputView::name() const { return state_->input(index_).name; }

const Shape& InputView::shape() const { return state_->input(index_).shape; }

float* InputView::data() const { return state_->input(index_).values.data(); }

void InputView::Set(const float* values) const { state_->Set(index_, values, shape()); }

void InputView::Set(const float* values, const Shape& shape) const {
  state_->Set(index_, values, shape);
}

void InputView::Set(const std::vector<float>& values) const { Set(values, shape()); }

void InputView::Set(const std::vector<float>& values, const Shape& shape) const {
  CheckCount(name(), values, shape);
  state_->Set(index_, values.data(), shape);
}

void InputView::Reshape(const Shape& shape) const { state_->Reshape({{name(), shape}}); }

Predictor::Predictor(const std::string& net_file, const std::string& weights_file,
                     const PredictorOptions& options)
    : state_(std::make_unique<PredictorState>(net_file, weights_file, options)) {}

Predictor::Predictor(std::unique_ptr<PredictorState> state) : state_(std::move(state)) {}
Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&& other) noexcept = default;
Predictor& Predictor::operator=(Predictor&& other) noexcept = default;

Predictor Predictor::Share() const { return Predictor(state_->Share()); }

std::vector<std::string> Predictor::inputs() const { return state_->input_names(); }

std::vector<std::string> Predictor::outputs() const { return state_->output_names(); }

InputView Predictor::Input(const std::string& name) {
  return {state_.get(), state_->FindInput(name)};
}

void Predictor::Reshape(const std::map<std::string, Shape>& shapes) { state_->Reshape(shapes); }

void Predictor::SetBatch(int64_t batch) { state_->SetBatch(batch); }

void Predictor::Run() { state_->Run(); }

OutputView Predictor::Output(const std::string& name) {
  const auto& [found, output] = state_->ReadOutput(name);
  return {found, output.shape, output.values};
}

size_t Predictor::memory_bytes() const { return state_->net().memory().Total(); }

const Net& Predictor::net() const { return state_->net(); }

}  // namespace crema
