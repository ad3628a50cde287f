// The widget of a LivePlayer alone.

export default () => makeWidget(makeView);
