// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What a network fixes for ever when it deploys its distributor.
struct Parameters {
    /// Unix time at which epoch 0 starts, in seconds.
    uint64 genesis;
    /// Length of an epoch, in seconds.
    uint64 epochLength;
    /// The most epochs that one root may cover.
    uint64 epochsPerRoot;
    /// Seconds between posting and finalising, in which the guardian may veto.
    uint64 challengeWindow;
    /// Epochs after which the cap per epoch halves.
    uint64 halvingInterval;
    /// What epoch 0 may mint, in the token's smallest unit.
    uint256 initialEpochCap;
    string tokenName;
    string tokenSymbol;
}

/// @notice What attestors sign (EIP-712).
struct EpochRoot {
    uint64 firstEpoch;
    uint64 lastEpoch;
    /// Root of the payout tree: leaves are keccak256(keccak256(abi.encode(account, cumulativeAmount))).
    bytes32 root;
    /// Sum of all leaves' amounts: everything that was ever earned.
    uint256 cumulativeTotal;
    /// Hash of the manifest of the published bundle.
    bytes32 dataHash;
}

/// @notice A posted root in its challenge window.
struct PendingRoot {
    EpochRoot body;
    /// Unix time from which it can be finalised and no more be vetoed; zero when none is pending.
    uint64 challengeEndsAt;
    bool vetoable;
}

/// @notice One account's claim in a batch.
struct Claim {
    address account;
    uint256 cumulativeAmount;
    bytes32[] proof;
}
