// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How much may be minted for which epoch
/// @notice Epoch `e` may mint at most `initialCap >> (e / halvingInterval)`.
/// The schedule is fixed at deployment and nobody can change it.
library EmissionSchedule {
    /// @notice The most that may be minted for one epoch, in the token's smallest unit.
    function capOf(uint256 initialCap, uint256 halvingInterval, uint256 epoch) internal pure returns (uint256) {
        return initialCap >> (epoch / halvingInterval);
    }

    /// @notice The sum of the caps of the epochs `first` to `last`, both included.
    /// @dev One step per era touched, and at most 256 of them: later eras have a cap of zero.
    function capOfRange(uint256 initialCap, uint256 halvingInterval, uint256 first, uint256 last)
        internal
        pure
        returns (uint256 sum)
    {
        while (first <= last) {
            uint256 era = first / halvingInterval;
            uint256 cap = initialCap >> era;
            if (cap == 0) return sum;
            uint256 endOfEra = (era + 1) * halvingInterval - 1;
            uint256 end = endOfEra < last ? endOfEra : last;
            sum += cap * (end - first + 1);
            first = end + 1;
        }
    }

    /// @notice All that can ever be minted: every era's cap times its length.
    function total(uint256 initialCap, uint256 halvingInterval) internal pure returns (uint256 sum) {
        for (uint256 cap = initialCap; cap != 0; cap >>= 1) {
            sum += cap * halvingInterval;
        }
    }
}
