// What is done with curves before they are drawn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "plot/chart.h"

namespace crema {

// Each value becomes the mean of up to `window` finite ones around it.
void Smooth(int window, Points* points);

// Between two displays the rate of a policy with steps stays and then jumps: if it stands still on
// one side of a change, the change is drawn upright.
void DrawSteps(Points* points);

// Where the axis of a panel of shares (accuracies) begins, if what they rise to in the first tenth
// of the training would squeeze all that follows.
std::optional<double> LowOfShares(const Panel& panel);

// Runs that are the same in all panels are drawn once, as "a, b (identical)".
void JoinIdentical(Figure* figure);

// Curves of these runs that lie over each other in this panel only: its title tells of them.
void TellIdentical(const std::vector<std::string>& names, Panel* panel);

}  // namespace crema
