// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Capped} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Capped.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title The token that devices earn
/// @notice One address may mint, for ever: the distributor that created this contract.
/// There is no owner, no role and no way to name another minter.
contract EdgeproofToken is ERC20Permit, ERC20Capped {
    /// @notice The distributor: the only address that may mint.
    address public immutable minter;

    error NotMinter(address caller, address minter);

    /// @param maximumSupply The whole emission schedule; more can never exist.
    constructor(string memory name, string memory symbol, uint256 maximumSupply)
        ERC20(name, symbol)
        ERC20Permit(name)
        ERC20Capped(maximumSupply)
    {
        minter = msg.sender;
    }

    /// @notice Create `amount` new units for `to`.
    function mint(address to, uint256 amount) external {
        require(msg.sender == minter, NotMinter(msg.sender, minter));
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Capped) {
        super._update(from, to, value);
    }
}
