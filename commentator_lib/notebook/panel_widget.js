// The widget of a control panel.

export default () => makeWidget(makePanel);
