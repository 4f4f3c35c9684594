"""Where the functions of a PIIX sit, and where the pins of the PCI bus lead: what the rest of a board is told of it.

Source: Intel 82371FB/82371SB data sheet (290550), 3.6 (PIRQx route control); 82371AB data sheet (290562), chapter 7.
"""

from __future__ import annotations

from devices.pci.config_space import Place

ISA_BRIDGE = Place(1, 0)
POWER_MANAGEMENT = Place(1, 3)
PIRQS = 4
PCI_IRQS = (10, 10, 11, 11)
"""Where firmware for these boards leads PIRQA# to PIRQD#."""
ROUTABLE_IRQS = (3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15)


def pirq_of(place: Place, pin: int) -> int:
    """Which of PIRQA# to PIRQD#, 0 to 3, a function's interrupt pin is soldered to: as on PCs of the time, slot 1 has
    INTA# at PIRQA#, and each next slot begins one further.
    """
    return (place.device - 1 + pin - 1) % PIRQS
