// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The few cheat codes of forge that these tests use.
interface Vm {
    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 timestamp) external;
    function prank(address sender) external;
    function expectRevert(bytes calldata exactly) external;
    function expectPartialRevert(bytes4 selector) external;
    function assume(bool condition) external pure;
    function readFile(string calldata path) external view returns (string memory);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseBytes(string calldata digits) external pure returns (bytes memory);
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @notice `value` folded into `low` to `high`, both included.
function within(uint256 value, uint256 low, uint256 high) pure returns (uint256) {
    return low + value % (high - low + 1);
}

function assertEq(uint256 got, uint256 want, string memory what) pure {
    require(got == want, string.concat(what, ": ", text(got), " is not ", text(want)));
}

function text(uint256 value) pure returns (string memory) {
    bytes memory digits;
    do {
        digits = abi.encodePacked(uint8(48 + value % 10), digits);
        value /= 10;
    } while (value != 0);
    return string(digits);
}
